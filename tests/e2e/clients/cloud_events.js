// Sends CloudEvents with the JavaScript SDK, in all of its modes; prints the answers.
const { createRequire } = require('module');
const [modules, url, key] = process.argv.slice(2);
const { CloudEvent, HTTP } = createRequire(modules + '/')('cloudevents');

// In its binary mode the SDK does not encode what is not ASCII, as the specification wants.
const subject = (name) => name === 'binary' ? 'Gruss' : 'Grüße';
const event = (name) => new CloudEvent({
    id: `javascript-${name}`, type: 'order.created', source: '/shop/javascript', subject: subject(name),
    datacontenttype: 'application/json', tenant: 't1', data: { via: `javascript-${name}`, text: 'ü' },
});

const send = async (message) => {
    const headers = { ...message.headers, authorization: `Bearer ${key}` };
    const answer = await fetch(url, { method: 'POST', headers, body: message.body });
    console.log(JSON.stringify({ status: answer.status, ...await answer.json() }));
};

(async () => {
    await send(HTTP.binary(event('binary')));
    await send(HTTP.structured(event('structured')));
    const batch = JSON.stringify([event('batch-0'), event('batch-1')]);
    await send({ headers: { 'content-type': 'application/cloudevents-batch+json' }, body: batch });
})();
