import "./components/deployment/quick-sdk";
import { askPeers, refuseLosses } from "./components/validation/load";
import { refuseCharts } from "./components/validation/wire-charts";

/**
 * The program, once it is known that the configuration takes nothing away that the stack has and it does not let go, and
 * that the artifact has what is to be run, and the nodes room for it.
 */
const program = askPeers()
  .then(refuseLosses)
  .then(refuseCharts)
  .then(async () => (await import("./index")).default);
// The engine waits for it a moment after it has loaded this file. Until then Node would warn that nobody does.
program.catch(() => {});

export = program;
