import "./components/deployment/quick-sdk";
import { askPeers, refuseLosses } from "./components/validation/load";
import { refuseMissingImages } from "./components/validation/wire-images";

/**
 * The program, once it is known that the configuration takes nothing away that the stack has and it does not let go, and
 * that the artifact has what is to be run.
 */
const program = askPeers()
  .then(refuseLosses)
  .then(refuseMissingImages)
  .then(async () => (await import("./index")).default);
// The engine waits for it a moment after it has loaded this file. Until then Node would warn that nobody does.
program.catch(() => {});

export = program;
