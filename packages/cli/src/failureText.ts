// What an error says to a user.

/** Never empty: errors of connecting to several addresses have no message of their own. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name;
}
