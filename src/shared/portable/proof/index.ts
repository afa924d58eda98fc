/**
 * The public surface of keeperlog/proof, and nothing else: no store, no thread, nothing of Node.js.
 * @module keeperlog/proof
 */
export type { ErrorFields } from '../error-fields.js';
export { type ErrorCode, isKeeperError, KeeperError, type KeeperErrorOf, type Outcome } from '../errors.js';
export { type ConsistencyProof, formatProof, type InclusionProof, type Proof, parseProof } from './proof.js';
export {
  type KnownCheckpoint,
  type KnownRecord,
  type TrustedKeys,
  type VerifiedCheckpoint,
  type VerifiedConsistency,
  type VerifiedInclusion,
  verifyCheckpoint,
  verifyProof,
} from './verify.js';
