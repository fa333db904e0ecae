// What every way of redirecting does: an nftables table with an owner (`nftTable.ts`), or chains of iptables (`iptablesRules.ts`).

/** The ports of one namespace that are redirected. Disposing it removes all rules; requests under way are rejected. */
export interface RedirectRules extends AsyncDisposable {
  /**
   * Makes what does not depend on ports, or finds out that this way is not possible here.
   *
   * @throws RedirectError
   */
  start(): Promise<void>;
  /**
   * Redirects a port; resolves when the kernel does it.
   *
   * @throws RedirectError when it does not; no other port is concerned.
   */
  add(port: number): Promise<void>;
  /**
   * Stops redirecting a port; resolves when new connections go to the target. Connections redirected before go on.
   *
   * @throws RedirectError
   */
  remove(port: number): Promise<void>;
}
