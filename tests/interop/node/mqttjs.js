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

// Enhanced authentication by SCRAM-SHA-256 (RFC 5802 §3), of Node's own cryptography.
const crypto = require('crypto');
const METHOD = 'SCRAM-SHA-256';
const keyed = (key, data) => crypto.createHmac('sha256', key).update(data).digest();
const auth = (reasonCode, data) => ({
    cmd: 'auth', reasonCode,
    properties: { authenticationMethod: METHOD, authenticationData: Buffer.from(data) },
});

class Dialogue {
    constructor(name, password) {
        this.password = password;
        this.bare = `n=${name},r=${crypto.randomBytes(18).toString('base64')}`;
        this.first = `n,,${this.bare}`;
    }

    final(challenge) {
        const said = Object.fromEntries(challenge.split(',').map((one) => [one[0], one.slice(2)]));
        const salt = Buffer.from(said.s, 'base64');
        const salted = crypto.pbkdf2Sync(this.password, salt, Number(said.i), 32, 'sha256');
        const clientKey = keyed(salted, 'Client Key');
        const stored = crypto.createHash('sha256').update(clientKey).digest();
        const text = `${this.bare},${challenge},c=biws,r=${said.r}`;
        const signature = keyed(stored, text);
        const proof = clientKey.map((byte, place) => byte ^ signature[place]);
        this.expected = `v=${keyed(keyed(salted, 'Server Key'), text).toString('base64')}`;
        return `c=biws,r=${said.r},p=${Buffer.from(proof).toString('base64')}`;
    }
}

// Logs in, authenticates anew, and publishes; what the server proved by CONNACK and by AUTH.
exports.scram = async ({ url, user, password, topic }) => {
    let dialogue = new Dialogue(user, password);
    const options = {
        protocolVersion: 5, reconnectPeriod: 0,
        properties: {
            authenticationMethod: METHOD, authenticationData: Buffer.from(dialogue.first),
        },
    };
    const client = mqtt.connect(url, options);
    const proved = [];
    const isProved = (packet) =>
        proved.push(String(packet.properties.authenticationData) === dialogue.expected);
    let onAnew;
    const anew = new Promise((resolve) => { onAnew = resolve; });
    client.handleAuth = (packet, callback) => {
        if (packet.reasonCode === 24) {
            const challenge = String(packet.properties.authenticationData);
            callback(null, auth(24, dialogue.final(challenge)));
            return;
        }
        isProved(packet);
        onAnew();
        callback();
    };
    const connack = await new Promise((resolve, reject) => {
        client.on('connect', resolve);
        client.on('error', reject);
    }).catch((error) => ({ refused: error.code }));
    if (connack.refused) return connack;
    isProved(connack);
    dialogue = new Dialogue(user, password);
    client._sendPacket(auth(25, dialogue.first));
    await anew;
    await client.publishAsync(topic, 'x', { qos: 1 });
    await client.endAsync();
    return { proved };
};
