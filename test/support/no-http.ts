import { HttpClient, type HttpSender } from "../../host/filter/http-client.ts";

/** For instances without an exchange path around them: nobody is there to be asked. */
export const NO_SENDER: HttpSender = {
  send: () => {
    throw new Error("a request of a filter's own, where there is none");
  },
};

/** Grants nothing. */
export const NO_HTTP: HttpClient = new HttpClient([], {
  httpInFlightMax: 1,
  httpRequestBytesMax: 1_024,
  httpResponseBytesMax: 1_024,
  editsMax: 10,
  httpMs: 1_000,
});
