/** The token of whoever looks on. It is kept in this tab alone, and is never part of an address. */

const KEY = "sluice-token";

export function token(): string | undefined {
  return sessionStorage.getItem(KEY) ?? undefined;
}

export function keepToken(text: string): void {
  sessionStorage.setItem(KEY, text);
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}
