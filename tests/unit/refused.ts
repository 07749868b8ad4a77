import type { Surroundings } from "../../components/validation/surroundings";
import { ConfigurationError, validate } from "../../components/validation/validate";
import { stagingValues, surroundings, type Values } from "../stacks";

/** What is said of the staging configuration after a change of it, as "key: message"; nothing if it is accepted. */
export function problemsOf(change: (values: Values) => void, outside: Partial<Surroundings> = {}): string[] {
  const values = stagingValues();
  change(values);
  try {
    validate(values, { ...surroundings, ...outside });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.problems.map(({ key, message }) => `${key}: ${message}`);
  }
}

/** The warnings of the staging configuration after a change of it. */
export function warningsOf(change: (values: Values) => void): readonly string[] {
  const values = stagingValues();
  change(values);
  return validate(values, surroundings).warnings;
}
