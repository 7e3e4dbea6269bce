import { homedir } from "node:os";
import { join } from "node:path";

/** Where the credentials of this user are, unless the configuration says otherwise: where container tools put them. */
export function dockerConfigFile(): string {
  const folder = process.env["DOCKER_CONFIG"];
  return join(folder === undefined || folder === "" ? join(homedir(), ".docker") : folder, "config.json");
}
