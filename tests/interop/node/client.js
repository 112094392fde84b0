// rhea with promises: connections, senders and receivers that a scenario can wait for.
'use strict';

const rhea = require('rhea');

const QUIET_MS = 300; // how long to look whether something comes that should not

// The events of one name that an emitter has emitted, in order, each to be had once.
class Mailbox {
    constructor(emitter, event) {
        this.contexts = [];
        this.waiting = [];
        emitter.on(event, (context) => {
            const next = this.waiting.shift();
            if (next) next(context);
            else this.contexts.push(context);
        });
    }

    next() {
        if (this.contexts.length > 0) return Promise.resolve(this.contexts.shift());
        return new Promise((resolve) => this.waiting.push(resolve));
    }

    // Does nothing come for a while?
    async isQuiet() {
        await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
        return this.contexts.length === 0;
    }
}

// A connection, once it is open; rejects with why it is not. With `path` it goes through a
// WebSocket.
function connect({ port, host = '127.0.0.1', path, ...options }) {
    const container = rhea.create_container();
    let details = { port, host };
    if (path) {
        const tunnel = container.websocket_connect(require('ws'));
        const protocols = ['binary', 'AMQPWSB10', 'amqp'];
        details = { connection_details: tunnel(`ws://${host}:${port}${path}`, protocols, {}) };
    }
    const connection = container.connect({ ...details, reconnect: false, ...options });
    return new Promise((resolve, reject) => {
        connection.on('connection_open', () => resolve(connection));
        connection.on('connection_error', ({ error }) => reject(error));
        connection.on('disconnected', ({ error }) => reject(error || new Error('cut off')));
    });
}

class Sender {
    constructor(connection, target, options = {}) {
        this.link = connection.open_sender({ target, ...options });
        this.outcomes = new Map(); // by delivery: who waits for its settlement
        this.link.on('settled', ({ delivery }) => {
            const wake = this.outcomes.get(delivery);
            this.outcomes.delete(delivery);
            if (wake) wake(outcomeOf(delivery.remote_state));
        });
        this.opened = opened(this.link, 'sender_open', 'sender_error');
    }

    // Resolves with the outcome; a message that is sent settled has none.
    async send(message) {
        await this.opened;
        const delivery = this.link.send(message);
        if (this.link.snd_settle_mode === 1) return null;
        return new Promise((resolve) => this.outcomes.set(delivery, resolve));
    }
}

class Receiver {
    // Without credit, and without rhea's own acceptance of what it has handed over.
    constructor(connection, source, options = {}) {
        const ours = { credit_window: 0, autoaccept: false, rcv_settle_mode: 1 };
        this.link = connection.open_receiver({ source, ...ours, ...options });
        this.messages = new Mailbox(this.link, 'message');
        this.settled = new Mailbox(this.link, 'settled');
        this.drained = new Mailbox(this.link, 'receiver_drained');
        this.opened = opened(this.link, 'receiver_open', 'receiver_error');
    }

    // The next message and its delivery; grants credit when there is none.
    async take() {
        await this.opened;
        if (this.messages.contexts.length === 0 && this.link.credit === 0) {
            this.link.add_credit(1);
        }
        return this.messages.next();
    }

    // So many messages, each accepted.
    async takeAll(count) {
        this.link.add_credit(count);
        const messages = [];
        for (let number = 0; number < count; number++) {
            const { message, delivery } = await this.messages.next();
            delivery.accept();
            messages.push(message);
        }
        return messages;
    }

    // Give an outcome and wait for the broker's own.
    async settle(delivery, outcome, ...details) {
        delivery[outcome](...details);
        const answer = await this.settled.next();
        if (answer.delivery !== delivery) throw new Error('another delivery was settled');
        return outcomeOf(delivery.remote_state);
    }

    async close() {
        this.link.close();
        await new Promise((resolve) => this.link.once('receiver_close', resolve));
    }
}

// rhea opens a link that is refused, and ends it with the error afterwards.
function opened(link, good, bad) {
    return new Promise((resolve, reject) => {
        link.once(bad, () => reject(link.error));
        link.once(good, () => {
            const { address } = link.is_sender() ? link.target : link.source;
            if (address) resolve(link);
        });
    });
}

// An outcome as plain data.
function outcomeOf(state) {
    const { error, delivery_failed, undeliverable_here } = state;
    return {
        state: state.constructor.composite_type,
        failed: Boolean(delivery_failed),
        undeliverable: Boolean(undeliverable_here),
        condition: error ? error.condition : null,
        description: error ? error.description : null,
    };
}

module.exports = { connect, rhea, Receiver, Sender };
