import type { ReleaseName } from "../../config/releases";
import type { WireContext } from "../context";
import type { Values } from "../values";
import { accountPages } from "./account-pages";
import { cassandraExternal } from "./cassandra-external";
import { coturn } from "./coturn";
import { elasticsearchExternal } from "./elasticsearch-external";
import { minioExternal } from "./minio-external";
import { nginxIngressServices } from "./nginx-ingress-services";
import { postgresqlExternal } from "./postgresql-external";
import { rabbitmqExternal } from "./rabbitmq-external";
import { sftd } from "./sftd";
import { smtp } from "./smtp";
import { teamSettings } from "./team-settings";
import { webapp } from "./webapp";
import { wireServer } from "./wire-server";

/** The values of each release that follow from the run; a release that is not here has static ones alone. */
export const runValues: Partial<Record<ReleaseName, (context: WireContext) => Values>> = {
  "cassandra-external": cassandraExternal,
  "elasticsearch-external": elasticsearchExternal,
  "minio-external": minioExternal,
  "postgresql-external": postgresqlExternal,
  "rabbitmq-external": rabbitmqExternal,
  smtp,
  "wire-server": wireServer,
  webapp,
  "account-pages": accountPages,
  "team-settings": teamSettings,
  "nginx-ingress-services": nginxIngressServices,
  sftd,
  coturn,
};
