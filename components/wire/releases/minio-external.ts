import type { WireContext } from "../context";
import type { Values } from "../values";

/** Gives the service outside Kubernetes a name inside: the addresses of its nodes. */
export const minioExternal = ({ services }: WireContext): Values => ({ IPs: services.minio.addresses });
