// Sending, receiving, outcomes, credit, links.
'use strict';

const { connect, rhea, Receiver, Sender } = require('./client.js');

const DEAD = '/$DeadLetterQueue';
const LARGE_BYTES = 5_000_000;

async function fill(connection, queue, count) {
    const sender = new Sender(connection, queue);
    const numbers = Array.from({ length: count }, (_, number) => number);
    return Promise.all(numbers.map((number) => sender.send({ body: number })));
}

// A receiver that holds one message.
async function holding(connection, queue) {
    await new Sender(connection, queue).send({
        body: 'job',
        application_properties: { order: 4711 },
    });
    const receiver = new Receiver(connection, queue);
    const { delivery } = await receiver.take();
    return { receiver, delivery };
}

async function isEmpty(receiver) {
    receiver.link.add_credit(1);
    return receiver.messages.isQuiet();
}

exports.one = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const message = { message_id: 'order-1', subject: 'booked', durable: true, priority: 7 };
    const outcome = await new Sender(connection, queue).send({ ...message, body: 'a' });
    const { message: got } = await new Receiver(connection, queue).take();
    const { message_id, subject, durable, priority, delivery_count, body } = got;
    return { outcome, got: { message_id, subject, durable, priority, delivery_count, body } };
};

exports.settledBeforehand = async ({ queue, count, ...to }) => {
    const connection = await connect(to);
    const sender = new Sender(connection, queue, { snd_settle_mode: 1 });
    await sender.opened;
    for (let number = 0; number < count; ) {
        if (sender.link.sendable()) sender.link.send({ body: number++ });
        else await new Promise((resolve) => sender.link.once('sendable', resolve));
    }
    const messages = await new Receiver(connection, queue).takeAll(count);
    return messages.map((message) => message.body);
};

exports.manyUnderWay = async ({ queue, count, ...to }) =>
    fill(await connect(to), queue, count);

exports.large = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const body = Buffer.alloc(LARGE_BYTES, Buffer.from('0123456789abcdef!'));
    const sent = await new Sender(connection, queue).send({ body });
    const receiver = new Receiver(connection, queue);
    const { message, delivery } = await receiver.take();
    const settled = await receiver.settle(delivery, 'accept');
    return { sent: sent.state, same: body.equals(message.body), settled: settled.state };
};

// Settle with an outcome, and tell the broker's answer and what the receiver gets then: the
// message again, or nothing before one that was sent later.
exports.settle = async ({ queue, outcome, details, ...to }) => {
    const connection = await connect(to);
    const { receiver, delivery } = await holding(connection, queue);
    const answer = await receiver.settle(delivery, outcome, ...details);
    await new Sender(connection, queue).send({ body: 'later' });
    const { message } = await receiver.take();
    return { answer, next: [message.body, message.delivery_count] };
};

// As above, but settled together with the outcome: rhea's usual way, without an answer.
exports.settleAtOnce = async ({ queue, outcome, details, comesAgain, ...to }) => {
    const connection = await connect(to);
    await new Sender(connection, queue).send({ body: 'job' });
    const receiver = new Receiver(connection, queue, { rcv_settle_mode: 0 });
    const { delivery } = await receiver.take();
    delivery[outcome](...details);
    if (!comesAgain) return { again: !(await isEmpty(receiver)) };
    const { message } = await receiver.take();
    return { again: message.body === 'job' };
};

exports.deadLetter = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const { message } = await new Receiver(connection, queue + DEAD).take();
    const { body, application_properties, message_annotations } = message;
    const source = message_annotations['x-opt-deadletter-source'];
    return { body, properties: application_properties, source };
};

// Deferred messages are had by their numbers, from the management node.
exports.takeDeferred = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const browser = new Receiver(connection, { address: queue, distribution_mode: 'copy' });
    const { message } = await browser.take();
    const number = message.message_annotations['x-opt-sequence-number'];
    const node = `${queue}/$management`;
    const replies = new Receiver(connection, { dynamic: true });
    await replies.opened;
    const { types } = rhea;
    await new Sender(connection, node).send({
        message_id: 'ask',
        reply_to: replies.link.source.address,
        application_properties: { operation: 'com.microsoft:receive-by-sequence-number' },
        body: {
            'sequence-numbers': types.wrap_array([number], 0x81),
            'receiver-settle-mode': types.wrap_uint(0),
        },
    });
    const { message: reply } = await replies.take();
    const taken = rhea.message.decode(reply.body.messages[0].message);
    return {
        status: reply.application_properties.statusCode,
        correlation_id: reply.correlation_id,
        body: taken.body,
        properties: taken.application_properties,
    };
};

exports.closedLink = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const { receiver } = await holding(connection, queue);
    await receiver.close();
    const { message } = await new Receiver(connection, queue).take();
    return { body: message.body, delivery_count: message.delivery_count };
};

exports.lostLock = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const { receiver, delivery: late } = await holding(connection, queue);
    const { message, delivery } = await receiver.take(); // the lock ran out
    const answer = await receiver.settle(late, 'accept');
    const { state } = await receiver.settle(delivery, 'accept');
    return { delivery_count: message.delivery_count, answer, state };
};

exports.credit = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const receiver = new Receiver(connection, queue);
    await receiver.opened;
    await fill(connection, queue, 6);
    const seen = [];
    for (const credit of [0, 3, 2]) {
        receiver.link.add_credit(credit);
        for (let number = 0; number < credit; number++) await receiver.messages.next();
        seen.push([credit, await receiver.messages.isQuiet()]);
    }
    return seen;
};

exports.drain = async ({ queue, count, ...to }) => {
    const connection = await connect(to);
    await fill(connection, queue, count);
    const receiver = new Receiver(connection, queue);
    await receiver.opened;
    receiver.link.add_credit(10);
    receiver.link.drain_credit();
    await receiver.drained.next();
    const drained = receiver.messages.contexts.length;
    const credit = receiver.link.credit;
    receiver.link.drain = false;
    await fill(connection, queue, 1);
    await receiver.messages.isQuiet();
    const later = receiver.messages.contexts.length;
    receiver.link.add_credit(1);
    while (receiver.messages.contexts.length === later) await receiver.messages.isQuiet();
    return { drained, credit, later, after: receiver.messages.contexts.length };
};

exports.withoutLocks = async ({ queue, ...to }) => {
    const connection = await connect(to);
    await fill(connection, queue, 1);
    const receiver = new Receiver(connection, queue, { snd_settle_mode: 1 });
    const { message, delivery } = await receiver.take();
    await receiver.close();
    const empty = await isEmpty(new Receiver(connection, queue));
    return { body: message.body, settled: delivery.remote_settled, empty };
};

exports.manyLinks = async ({ queue, count, ...to }) => {
    const connection = await connect(to);
    const names = Array.from({ length: count }, (_, number) => `${queue}-${number}`);
    const receivers = names.map((name) => new Receiver(connection, name));
    const senders = names.map((name) => new Sender(connection, name));
    await Promise.all(senders.map((sender, place) => sender.send({ body: names[place] })));
    const got = await Promise.all(receivers.map((receiver) => receiver.take()));
    return { names, bodies: got.map(({ message }) => message.body) };
};

exports.manySessions = async ({ queue, count, ...to }) => {
    const connection = await connect(to);
    const sessions = Array.from({ length: count }, () => connection.create_session());
    sessions.forEach((session) => session.begin());
    const sent = sessions.map((session, body) => new Sender(session, queue).send({ body }));
    return Promise.all(sent);
};

exports.browse = async ({ queue, ...to }) => {
    const connection = await connect(to);
    await fill(connection, queue, 3);
    const holder = new Receiver(connection, queue);
    await holder.take();
    const browser = new Receiver(connection, { address: queue, distribution_mode: 'copy' });
    browser.link.add_credit(10);
    const seen = [];
    for (let number = 0; number < 3; number++) {
        const { message } = await browser.messages.next();
        seen.push(message.body);
    }
    const quiet = await browser.messages.isQuiet();
    const { message } = await holder.take();
    return { seen, quiet, next: [message.body, message.delivery_count] };
};

exports.requestAndResponse = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const replies = new Receiver(connection, { dynamic: true });
    await replies.opened;
    const reply_to = replies.link.source.address;
    const request = { body: '2 + 2', reply_to, correlation_id: 'sum' };
    await new Sender(connection, queue).send(request);
    const { message } = await new Receiver(connection, queue).take();
    const { correlation_id } = message;
    await new Sender(connection, message.reply_to).send({ body: 4, correlation_id });
    const { message: reply } = await replies.take();
    return { body: reply.body, correlation_id: reply.correlation_id };
};

exports.fullQueue = async ({ queue, ...to }) => {
    const connection = await connect(to);
    const sender = new Sender(connection, queue);
    const fits = await sender.send({ body: 'fits' });
    const refused = await sender.send({ body: 'does not' });
    const receiver = new Receiver(connection, queue);
    const { delivery } = await receiver.take();
    await receiver.settle(delivery, 'accept');
    const again = await sender.send({ body: 'fits again' });
    return { fits: fits.state, refused, again: again.state };
};
