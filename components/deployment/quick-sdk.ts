// Half of the processor time of a run without work goes into what Pulumi's Node SDK keeps for debugging itself: the stack
// of each of some ten thousand promises, every frame of it looked up in a source map, and a call to the engine for each
// debug message whether anybody listens or not (docs/adr/0033). Neither has a setting. With PULUMI_DEBUG_PROMISE_LEAKS,
// which asks for the stacks, both stay; that a promise leaks is told in any case.

/** What of the SDK is changed; it declares no types for it. */
interface Debuggable {
  readonly debugPromiseLeaks: boolean;
  debuggablePromise: (promise: Promise<unknown>, context: unknown) => Promise<unknown>;
}
const debuggable: Debuggable = require("@pulumi/pulumi/runtime/debuggable");
const log: { debug: (...message: unknown[]) => Promise<void> } = require("@pulumi/pulumi/log");

if (!debuggable.debugPromiseLeaks) {
  const { debuggablePromise } = debuggable;
  debuggable.debuggablePromise = (promise, context) => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(promise, context);
    } finally {
      Error.stackTraceLimit = limit;
    }
  };
  log.debug = async () => {};
}

export {};
