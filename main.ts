import "./components/deployment/quick-sdk";
import { refuseLosses } from "./components/validation/load";

/** The program, once it is known that the configuration takes nothing away that the stack has and it does not let go. */
export = refuseLosses().then(async () => (await import("./index")).default);
