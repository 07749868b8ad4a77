import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, expect, it } from "vitest";

const load = createRequire(__filename);
const debuggable = load("@pulumi/pulumi/runtime/debuggable");
const settings = load("@pulumi/pulumi/runtime/settings");

/** What the SDK has noted of a promise. */
const stackOf = (promise: Promise<unknown>): string => {
  debuggable.debuggablePromise(promise, "of a test");
  return (promise as unknown as { _debugStackTrace: string })._debugStackTrace;
};

beforeAll(async () => {
  expect(stackOf(Promise.resolve()).split("\n").length, "the SDK keeps stacks by itself").toBeGreaterThan(1);
  await import("../../components/deployment/quick-sdk");
});

it("has the SDK note no stacks, and leaves those of errors as they are", () => {
  expect(stackOf(Promise.resolve()).split("\n")).toHaveLength(1);
  expect(new Error("x").stack?.split("\n").length).toBeGreaterThan(1);
});

it("leaves promises that leak to be found", async () => {
  let end = () => {};
  debuggable.debuggablePromise(new Promise<void>((resolve) => (end = resolve)), "of a test");
  expect(debuggable.leakedPromises()[0].size).toBe(1);
  end();
});

it("has the SDK call nobody for a debug message, and the engine for others", async () => {
  const heard: string[] = [];
  const { log: tell } = pulumi;
  const engine = {
    log: (request: { getMessage: () => string }, answer: (error: null) => void) => {
      heard.push(request.getMessage());
      answer(null);
    },
  };
  const { getEngine } = settings;
  settings.getEngine = () => engine;
  try {
    await tell.debug("for debugging");
    await tell.info("for people");
  } finally {
    settings.getEngine = getEngine;
  }
  expect(heard).toEqual(["for people"]);
});
