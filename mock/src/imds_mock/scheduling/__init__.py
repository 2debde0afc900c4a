"""How people say when, for how long and which: times, durations and patterns, and what is wrong with them."""
