// Reads a stream with npm's `eventsource`, which comes back by itself; prints each payload.
const { createRequire } = require('module');
const [modules, url, key] = process.argv.slice(2);
const { EventSource } = createRequire(modules + '/')('eventsource');

const withKey = (input, init) =>
    fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${key}` } });
const source = new EventSource(url, { fetch: withKey });
source.onopen = () => console.log('open');
source.onmessage = (message) => console.log(JSON.stringify(JSON.parse(message.data).payload));
