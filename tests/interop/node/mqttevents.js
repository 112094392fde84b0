// CloudEvents' SDK with MQTT.js, which carries what the SDK writes.
'use strict';

const mqtt = require('mqtt');
const { CloudEvent, MQTT } = require('cloudevents');

const plain = (event) => JSON.parse(JSON.stringify(event));
const connect = (url, version) =>
    mqtt.connectAsync(url, { protocolVersion: version, reconnectPeriod: 0 });

// What of the SDK's message goes where in MQTT 5; 3.1.1 has the payload alone.
function packed(event, mode, version) {
    const message = MQTT[mode](new CloudEvent(event));
    const { payload } = message;
    const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
    if (version !== 5) return [body, { qos: 1 }];
    const userProperties = {};
    for (const [name, value] of Object.entries(message['User Properties'])) {
        if (value !== undefined) userProperties[name] = String(value);
    }
    const properties = { contentType: message.PUBLISH['Content Type'] };
    // MQTT.js 5.16 sends nothing, and waits for good, when there are none in it.
    if (Object.keys(userProperties).length > 0) properties.userProperties = userProperties;
    return [body, { qos: 1, properties }];
}

function unpacked(body, { properties }) {
    const text = body.toString();
    if (properties === undefined || properties.contentType === undefined) {
        return plain(new CloudEvent(JSON.parse(text)));
    }
    const event = MQTT.toEvent({
        PUBLISH: { 'Content Type': properties.contentType },
        headers: { ...properties.userProperties },
        body: text,
    });
    return plain(event);
}

// One message of a topic or queue; `then` is called when it is subscribed to.
async function next(client, topic, then) {
    const came = new Promise((resolve) => {
        client.once('message', (_topic, body, packet) => resolve(unpacked(body, packet)));
    });
    await client.subscribeAsync(topic, { qos: 1 });
    await then();
    return came;
}

exports.send = async ({ url, version, topic, event, mode }) => {
    const client = await connect(url, version);
    await client.publishAsync(topic, ...packed(event, mode, version));
    await client.endAsync();
    return 'sent';
};

exports.receive = async ({ url, version, topic }) => {
    const client = await connect(url, version);
    const event = await next(client, topic, async () => {});
    await client.endAsync();
    return event;
};

// From one client to another, of the same or the other version.
exports.between = async ({ url, from, to, topic, event, mode }) => {
    const [sender, receiver] = [await connect(url, from), await connect(url, to)];
    const got = await next(receiver, topic, () =>
        sender.publishAsync(topic, ...packed(event, mode, from)),
    );
    await Promise.all([sender.endAsync(), receiver.endAsync()]);
    return got;
};

// What an event that is wrong is refused with.
exports.refused = async ({ url, topic, userProperties }) => {
    const client = await connect(url, 5);
    try {
        await client.publishAsync(topic, 'x', { qos: 1, properties: { userProperties } });
        return 'taken';
    } catch (error) {
        return { code: error.code, message: error.message };
    } finally {
        await client.endAsync(true);
    }
};
