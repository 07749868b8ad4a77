const containerLists = ["containers", "initContainers", "ephemeralContainers"];

/**
 * The images that Kubernetes objects name, as they name them: those of every list of containers at any depth, so that
 * hooks, jobs and whatever other objects have a pod's template are seen like deployments.
 */
export function containerImages(objects: unknown): string[] {
  const found = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (containerLists.includes(key) && Array.isArray(child))
        for (const container of child) if (typeof container?.image === "string") found.add(container.image);
      walk(child);
    }
  };
  walk(objects);
  return [...found].sort();
}
