import type { ClusterApi } from "./api";

interface HelmRecord {
  readonly metadata: { readonly name: string };
}

/**
 * Takes away what a Helm that was killed at its work has left: the record of a revision that is neither deployed nor
 * failed, with which every later Helm refuses to touch the release. What it had made stays and is taken over.
 * @returns the records' names.
 */
export async function unlockRelease(api: ClusterApi, namespace: string, release: string): Promise<string[]> {
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  const pending = "status in (pending-install,pending-upgrade,pending-rollback)";
  const selector = encodeURIComponent(`owner=helm,name=${release},${pending}`);
  const records = await api.list<HelmRecord>(`${secrets}?labelSelector=${selector}`);
  for (const { metadata } of records) await api.delete(`${secrets}/${metadata.name}`);
  return records.map(({ metadata }) => metadata.name);
}
