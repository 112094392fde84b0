// CloudEvents' SDK: what it reads of what is given to it, and what it writes of an event.
'use strict';

const { CloudEvent, HTTP, MQTT } = require('cloudevents');

const plain = (event) => JSON.parse(JSON.stringify(event));
const bytes = (body) => (typeof body === 'string' ? body : Buffer.from(body).toString('latin1'));

module.exports = {
    async readHttp({ headers, body }) {
        const found = HTTP.toEvent({ headers, body });
        return Array.isArray(found) ? found.map(plain) : plain(found);
    },

    async writeHttp({ event, mode }) {
        const { headers, body } = HTTP[mode](new CloudEvent(event));
        return { headers, body: bytes(body) };
    },

    async readMqtt({ contentType, properties, body }) {
        return plain(
            MQTT.toEvent({ PUBLISH: { 'Content Type': contentType }, headers: properties, body }),
        );
    },

    async writeMqtt({ event, mode }) {
        const message = MQTT[mode](new CloudEvent(event));
        const { payload } = message;
        return {
            contentType: message.PUBLISH['Content Type'],
            properties: plain(message['User Properties']),
            payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
        };
    },
};
