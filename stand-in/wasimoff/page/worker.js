import { Exit, Wasi } from "./wasi.js";

// One worker runs one program after another, each in an instance of its own.

onmessage = async ({ data: { module, files, args, envs, stdin, artifacts } }) => {
  const wasi = new Wasi({ files, args, envs, stdin });
  let status = 0;
  try {
    const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.imports });
    wasi.memory = instance.exports.memory;
    if (typeof instance.exports._start !== "function") throw new Error("the module has no _start: it is no command");
    instance.exports._start();
  } catch (error) {
    if (!(error instanceof Exit)) {
      postMessage({ error: `${error?.name}: ${error?.message}` });
      return;
    }
    status = error.status;
  }
  const made = new Map(
    artifacts.flatMap((path) => {
      const content = wasi.contentOf(path);
      return content ? [[path.replace(/^\/+/, ""), content]] : [];
    }),
  );
  postMessage({ status, stdout: wasi.written(1), stderr: wasi.written(2), artifacts: made });
};
