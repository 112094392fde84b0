// MQTT.js, over a socket or a WebSocket, as its users have it.
'use strict';

const mqtt = require('mqtt');

const QUIET_MS = 300;

// Jobs in, and out again by a subscription; tells what came, and what is left then.
exports.jobs = async ({ url, version, queue, bodies }) => {
    const options = { protocolVersion: version, reconnectPeriod: 0, clean: true };
    const client = await mqtt.connectAsync(url, options);
    for (const body of bodies) await client.publishAsync(queue, body, { qos: 1 });
    const got = [];
    const all = new Promise((resolve) => {
        client.on('message', (_topic, payload) => {
            got.push(payload.toString());
            if (got.length === bodies.length) resolve();
        });
    });
    await client.subscribeAsync(queue, { qos: 1 });
    await all;
    await client.endAsync();
    const next = await mqtt.connectAsync(url, options);
    const left = [];
    next.on('message', (_topic, payload) => left.push(payload.toString()));
    await next.subscribeAsync(queue, { qos: 1 });
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    await next.endAsync();
    return { got, left };
};

// Why a connection is refused.
exports.refused = async ({ url, ...options }) => {
    try {
        await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
        return 'let in';
    } catch (error) {
        return String(error.code || error.message);
    }
};
