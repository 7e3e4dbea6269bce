import { afterEach, beforeEach, expect, test } from "vitest";
import type { Admin } from "../../host/control/admin.ts";
import { readAdminAddress } from "../../host/control/admin-address.ts";
import { AdminClient } from "../../host/control/admin-client.ts";
import type { ExchangeQuestion } from "../../host/control/control.ts";
import { ask, Desk } from "./desk.ts";
import { EXCHANGE } from "./plain-exchanges.ts";

let desk: Desk;
let admin: Admin;

beforeEach(async () => {
  desk = new Desk();
  admin = await desk.start();
});

afterEach(() => desk.close());

test("an exchange is given as it is kept, or said not to be", async () => {
  const found = await ask(admin, `GET /v1/exchanges/${EXCHANGE.requestId}`);
  expect([found.status, JSON.parse(found.body)]).toEqual([200, EXCHANGE]);

  const lost = await ask(admin, "GET /v1/exchanges/other");
  expect([lost.status, JSON.parse(lost.body)]).toMatchObject([
    404,
    { code: "EXCHANGE_UNKNOWN", detail: "No exchange other is kept, or not any more." },
  ]);
});

test("the list takes what is asked for, and says nothing of its own", async () => {
  const questions: ExchangeQuestion[] = [];
  const exchanges = desk.control.exchanges.bind(desk.control);
  desk.control.exchanges = (question) => {
    questions.push(question);
    return exchanges(question);
  };
  const { body } = await ask(admin, "GET /v1/exchanges");
  expect((JSON.parse(body) as object[]).length).toBe(2);
  await ask(admin, "GET /v1/exchanges?failed=true&route=a%26b&filter=keys&limit=7");
  expect(questions).toEqual([
    { failed: false, limit: 100 },
    { failed: true, route: "a&b", filter: "keys", limit: 7 },
  ]);
});

test.each(["limit=0", "limit=501", "limit=some", "limit=1.5", "failed=yes", "fail=true", "route=a&route=b"])(
  "the query %s is refused",
  async (query) => {
    const { status, body } = await ask(admin, `GET /v1/exchanges?${query}`);
    expect([status, (JSON.parse(body) as { code: string }).code]).toEqual([400, "REQUEST_REFUSED"]);
  },
);

test("the client asks for the same", async () => {
  const client = new AdminClient(readAdminAddress(admin.address));
  try {
    const [first] = await client.exchanges({ failed: true, limit: 5 });
    expect(first).toEqual(EXCHANGE);
    expect(await client.exchange(EXCHANGE.requestId)).toEqual(EXCHANGE);
    await expect(client.exchange("a/b")).rejects.toThrow("No exchange a/b is kept, or not any more.");
  } finally {
    await client.close();
  }
});
