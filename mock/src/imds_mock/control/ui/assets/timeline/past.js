// Events and faults that are no longer listed, or were armed again: the page remembers their bands while it is open.

const MOST = 50;

export class Past {
  constructor() {
    this.known = { events: new Map(), faults: new Map() };
    this.gone = { events: [], faults: [] };
  }

  /** The earlier ones; `kind` is `events` or `faults`. */
  of(kind, store) {
    const listed = new Map(store.get(kind).map((armed) => [armed.id, armed]));
    const now = store.now();
    for (const [id, armed] of this.known[kind]) {
      const current = listed.get(id);
      if (current?.starts === armed.starts) continue;
      const start = Date.parse(armed.starts);
      const end = Math.min(now, armed.ends ? Date.parse(armed.ends) : now);
      if (end > start) this.gone[kind].push({ ...armed, state: "ended", ends: new Date(end).toISOString(), isPast: true });
    }
    this.known[kind] = listed;
    if (store.get("requests").length === 0) this.gone[kind] = [];
    this.gone[kind] = this.gone[kind].slice(-MOST);
    return this.gone[kind];
  }
}
