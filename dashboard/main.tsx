import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./app.css";
import { App } from "./app.tsx";
import { LiveStore } from "./live-store.ts";
import { StoreContext } from "./store-context.ts";
import { applyTheme } from "./theme.ts";

applyTheme();
const store = new LiveStore();
store.start();
const place = document.querySelector("#app");
if (place !== null)
  render(
    <StoreContext.Provider value={store}>
      <App />
    </StoreContext.Provider>,
    place,
  );
