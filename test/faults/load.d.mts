export function random(seed: number): () => number;
export function realPayloads(): { type: string; data: unknown }[];
