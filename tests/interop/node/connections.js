// Getting in, being refused, and coming back.
'use strict';

const fs = require('node:fs');

const { connect, rhea, Receiver, Sender } = require('./client.js');

// A connection over TLS, which trusts the certificate in the file when one is given.
function connectTls({ certificate, ...to }) {
    const ca = certificate ? fs.readFileSync(certificate) : undefined;
    return connect({ transport: 'tls', host: 'localhost', ca, ...to });
}

exports.getIn = async ({ queue, ...to }) => {
    const connection = await connectTls(to);
    const body = Buffer.alloc(300_000, 'x');
    const { state } = await new Sender(connection, queue).send({ body });
    const [message] = await new Receiver(connection, queue).takeAll(1);
    const protocol = connection.get_tls_socket().getProtocol();
    return { protocol, state, same: body.equals(message.body) };
};

// What a client hears that is not let in.
exports.stayOut = async (to) => {
    const attempt = to.transport === 'tcp' ? connect(to) : connectTls(to);
    return attempt.then(
        () => ({ in: true }),
        ({ condition, code, message }) => ({ in: false, why: condition || code || message }),
    );
};

exports.unknownAddress = async ({ addresses, good, ...to }) => {
    const connection = await connectTls(to);
    const refusals = [];
    for (const address of addresses) {
        for (const Kind of [Sender, Receiver]) {
            refusals.push(await refusal(new Kind(connection, address)));
        }
    }
    await new Sender(connection, good).opened; // nothing else has ended
    return refusals;
};

// A link ends under its sender, and only that link.
exports.tooLarge = async ({ queue, size, ...to }) => {
    const connection = await connectTls(to);
    const sender = new Sender(connection, queue);
    const { max_message_size } = await sender.opened;
    const { condition } = await sender.send({ body: Buffer.alloc(size) });
    const { state } = await sender.send({ body: 'fits' }); // the link goes on
    return { max_message_size, condition, state };
};

exports.heartbeat = async ({ queue, idle, silence, ...to }) => {
    const connection = await connectTls({ idle_time_out: idle, ...to });
    const sender = new Sender(connection, queue);
    await sender.opened;
    await new Promise((resolve) => setTimeout(resolve, silence));
    const { state } = await sender.send({ body: 'still here' });
    return state;
};

exports.goneNode = async (to) => {
    const connection = await connectTls(to);
    const replies = new Receiver(connection, { dynamic: true });
    await replies.opened;
    const { address } = replies.link.source;
    const { state } = await new Sender(connection, address).send({ body: 'while it is there' });
    await replies.close();
    return { state, refusal: await refusal(new Sender(connection, address)) };
};

function refusal({ opened }) {
    return opened.then(
        () => null,
        ({ condition, description }) => ({ condition, description }),
    );
}

// A connection that comes back by itself.
function persistent({ port }) {
    const container = rhea.create_container();
    const delays = { initial_reconnect_delay: 50, max_reconnect_delay: 200 };
    const connection = container.connect({ port, host: '127.0.0.1', ...delays });
    connection.disconnections = 0;
    connection.on('disconnected', () => connection.disconnections++);
    return connection;
}

// Sends numbers, and those again that were under way when the connection broke. Kills the
// broker once it has accepted some; somebody else starts it again.
exports.produce = ({ pid, queue, count, crashAt, ...to }) =>
    new Promise((resolve) => {
        const waiting = Array.from({ length: count }, (_, number) => number);
        const underWay = new Map(); // number by delivery
        const accepted = [];
        const inDoubt = [];
        const connection = persistent(to);
        const sender = connection.open_sender(queue);

        function sendSome() {
            while (sender.sendable() && waiting.length > 0 && underWay.size < 20) {
                const number = waiting.shift();
                underWay.set(sender.send({ body: number }), number);
            }
        }

        sender.on('sendable', sendSome);
        sender.on('accepted', ({ delivery }) => {
            accepted.push(underWay.get(delivery));
            underWay.delete(delivery);
            sendSome();
            if (accepted.length === crashAt) process.kill(pid, 'SIGKILL');
            if (accepted.length === count) {
                resolve({ accepted, inDoubt, disconnections: connection.disconnections });
            }
        });
        connection.on('disconnected', () => {
            inDoubt.push(...underWay.values());
            waiting.unshift(...underWay.values());
            underWay.clear();
        });
    });

// Kills the broker while it holds the first message; accepts what it gets then.
exports.consume = ({ pid, queue, count, ...to }) =>
    new Promise((resolve) => {
        const bodies = [];
        const connection = persistent(to);
        const options = { credit_window: 0, autoaccept: false, rcv_settle_mode: 1 };
        const receiver = connection.open_receiver({ source: queue, ...options });
        receiver.on('receiver_open', () => receiver.add_credit(1));
        receiver.on('message', ({ message, delivery }) => {
            bodies.push(message.body);
            if (bodies.length === 1) process.kill(pid, 'SIGKILL');
            else delivery.accept();
        });
        receiver.on('settled', () => {
            if (bodies.length === count) {
                resolve({ bodies, disconnections: connection.disconnections });
            } else {
                receiver.add_credit(1);
            }
        });
    });

exports.fill = async ({ queue, bodies, ...to }) => {
    const sender = new Sender(await connect(to), queue);
    return Promise.all(bodies.map((body) => sender.send({ body })));
};

// The bodies of all that is in a queue.
exports.look = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const browser = new Receiver(connection, { address: queue, distribution_mode: 'copy' });
    await browser.opened;
    browser.link.add_credit(5000);
    browser.link.drain_credit();
    await browser.drained.next();
    return browser.messages.contexts.map(({ message }) => message.body);
};
