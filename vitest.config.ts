import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    // Two of these machines' cores are all there is; what boots machines takes minutes.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
