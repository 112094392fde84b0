// Azure's Service Bus SDK for JavaScript, unmodified: the everyday of its users.
'use strict';

const { ServiceBusClient } = require('@azure/service-bus');

const WAIT = { maxWaitTimeInMs: 3000 };
const BRIEF = { maxWaitTimeInMs: 700 };

function connect({ port, throughWebSocket }) {
    const text =
        `Endpoint=sb://localhost:${port};SharedAccessKeyName=RootManageSharedAccessKey;` +
        'SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;';
    const options = { retryOptions: { maxRetries: 0, timeoutInMs: 10000 } };
    if (throughWebSocket) options.webSocketOptions = { webSocket: require('ws') };
    return new ServiceBusClient(text, options);
}

// Runs `work` with a client that is closed at the end, whatever happens.
async function using(given, work) {
    const client = connect(given);
    try {
        return await work(client);
    } finally {
        await client.close();
    }
}

function sending(given, bodies) {
    return using(given, async (client) => {
        const sender = client.createSender(given.queue);
        await sender.sendMessages(bodies.map((body) => ({ body })));
    });
}

exports.roundTrip = (given) =>
    using(given, async (client) => {
        const sender = client.createSender(given.queue);
        await sender.sendMessages({
            body: { order: 4711 },
            messageId: 'order-1',
            subject: 'booked',
            correlationId: 'c',
            contentType: 'application/json',
            replyTo: 'answers',
            to: 'erp',
            timeToLive: 300000,
            applicationProperties: { whole: 1, real: 0.5, yes: true, text: 'ä' },
        });
        const receiver = client.createReceiver(given.queue);
        const [got] = await receiver.receiveMessages(1, WAIT);
        await receiver.completeMessage(got);
        return {
            body: got.body,
            id: got.messageId,
            subject: got.subject,
            correlation: got.correlationId,
            type: got.contentType,
            replyTo: got.replyTo,
            to: got.to,
            ttl: got.timeToLive,
            properties: got.applicationProperties,
            number: got.sequenceNumber.toNumber(),
            count: got.deliveryCount,
            state: got.state,
        };
    });

exports.batch = (given) =>
    using(given, async (client) => {
        const sender = client.createSender(given.queue);
        const batch = await sender.createMessageBatch();
        for (let number = 0; number < 20; number += 1) {
            if (!batch.tryAddMessage({ body: number })) throw new Error('it does not fit');
        }
        await sender.sendMessages(batch);
        const receiver = client.createReceiver(given.queue, { receiveMode: 'receiveAndDelete' });
        const got = await receiver.receiveMessages(50, WAIT);
        return got.map((message) => message.body);
    });

exports.settle = async (given) => {
    await sending(given, ['a', 'b', 'c', 'd']);
    return using(given, async (client) => {
        const receiver = client.createReceiver(given.queue);
        const [a, b, c, d] = await receiver.receiveMessages(4, WAIT);
        await receiver.completeMessage(a);
        await receiver.abandonMessage(b);
        await receiver.deferMessage(c);
        await receiver.deadLetterMessage(d, {
            deadLetterReason: 'bad',
            deadLetterErrorDescription: 'why',
        });
        const [again] = await receiver.receiveMessages(1, WAIT);
        const until = again.lockedUntilUtc;
        const renewed = await receiver.renewMessageLock(again);
        await receiver.completeMessage(again);
        const [deferred] = await receiver.receiveDeferredMessages(c.sequenceNumber);
        await receiver.completeMessage(deferred);
        const dead = client.createReceiver(given.queue, { subQueueType: 'deadLetter' });
        const [letter] = await dead.receiveMessages(1, WAIT);
        await dead.completeMessage(letter);
        return {
            again: [again.body, again.deliveryCount],
            renewed: renewed >= until,
            deferred: deferred.body,
            dead: [letter.body, letter.deadLetterReason, letter.deadLetterErrorDescription],
            left: (await receiver.receiveMessages(1, BRIEF)).length,
        };
    });
};

exports.schedule = (given) =>
    using(given, async (client) => {
        const sender = client.createSender(given.queue);
        const at = new Date(Date.now() + 3600000);
        const numbers = await sender.scheduleMessages([{ body: 'a' }, { body: 'b' }], at);
        const receiver = client.createReceiver(given.queue);
        const seen = await receiver.peekMessages(10);
        await sender.cancelScheduledMessages(numbers);
        return {
            count: numbers.length,
            states: seen.map((message) => message.state),
            left: (await receiver.peekMessages(10)).length,
        };
    });

exports.subscribe = async (given) => {
    await sending(given, ['a', 'b', 'c']);
    return using(given, async (client) => {
        const receiver = client.createReceiver(given.queue);
        const got = [];
        await new Promise((resolve, reject) => {
            receiver.subscribe({
                processMessage: async (message) => {
                    got.push(message.body);
                    if (got.length === 3) setTimeout(resolve, 200);
                },
                processError: async (args) => reject(args.error),
            });
        });
        await receiver.close();
        const after = client.createReceiver(given.queue);
        return { got, left: (await after.receiveMessages(1, BRIEF)).length };
    });
};

exports.errors = async (given) => {
    const codes = {};
    const attempt = async (name, work) => {
        try {
            await using(given, work);
            codes[name] = null;
        } catch (error) {
            codes[name] = error.code;
        }
    };
    const send = (queue, body) => (client) => client.createSender(queue).sendMessages({ body });
    await attempt('unknown', send('$not-here', 'x'));
    await attempt('full, first', send('full-azure-js', 'x'));
    await attempt('full', send('full-azure-js', 'y'));
    await attempt('disabled', send('shut-azure', 'x'));
    await attempt('lock', async (client) => {
        await client.createSender('brief-azure-js').sendMessages({ body: 'x' });
        const receiver = client.createReceiver('brief-azure-js', {
            maxAutoLockRenewalDurationInMs: 0,
        });
        const [got] = await receiver.receiveMessages(1, WAIT);
        await new Promise((resolve) => setTimeout(resolve, 600));
        await receiver.completeMessage(got);
    });
    return codes;
};

// What is wrong in itself: a rule that does not parse.
exports.wrongRule = (given) =>
    using(given, async (client) => {
        const rules = client.createRuleManager(given.topic, 'ruled');
        try {
            await rules.createRule('wrong', { sqlExpression: 'price >' });
            return null;
        } catch ({ name, code, retryable, message }) {
            return { name, code, retryable, message };
        }
    });

exports.annotated = (given) =>
    using(given, async (client) => {
        const sender = client.createSender(given.queue);
        const bodies = [
            { bodyType: 'value', body: { a: [1, null] } },
            { bodyType: 'sequence', body: [[1, 2]] },
            { bodyType: 'data', body: 'text' },
        ];
        await sender.sendMessages(bodies.map((body) => ({ ...body, header: { priority: 7 } })));
        const receiver = client.createReceiver(given.queue, { receiveMode: 'receiveAndDelete' });
        const got = await receiver.receiveMessages(3, WAIT);
        return got.map(({ body, _rawAmqpMessage: { bodyType, header } }) => ({
            bodyType,
            body,
            priority: header.priority,
        }));
    });

exports.large = (given) =>
    using(given, async (client) => {
        await client.createSender(given.queue).sendMessages({ body: 'x'.repeat(given.size) });
        const receiver = client.createReceiver(given.queue, { receiveMode: 'receiveAndDelete' });
        const [got] = await receiver.receiveMessages(1, WAIT);
        return got.body.length;
    });

exports.iterate = async (given) => {
    await sending(given, ['a', 'b', 'c']);
    return using(given, async (client) => {
        const receiver = client.createReceiver(given.queue);
        const got = [];
        for await (const message of receiver.getMessageIterator()) {
            got.push(message.body);
            await receiver.completeMessage(message);
            if (got.length === 3) break;
        }
        return got;
    });
};

exports.peek = async (given) => {
    await sending(given, ['a', 'b', 'c']);
    return using(given, async (client) => {
        const receiver = client.createReceiver(given.queue);
        const first = await receiver.peekMessages(1);
        const next = await receiver.peekMessages(5);
        const fromSequenceNumber = first[0].sequenceNumber;
        const all = await receiver.peekMessages(5, { fromSequenceNumber });
        return [first, next, all].map((found) => found.map((message) => message.body));
    });
};

// A lock that the SDK renews by itself while the handler works.
exports.renewing = async (given) => {
    await sending(given, ['job']);
    return using(given, async (client) => {
        const receiver = client.createReceiver(given.queue);
        const [got] = await receiver.receiveMessages(1, WAIT);
        await new Promise((resolve) => setTimeout(resolve, 6000));
        await receiver.completeMessage(got);
        return (await receiver.receiveMessages(1, BRIEF)).length;
    });
};

exports.duplicates = (given) =>
    using(given, async (client) => {
        const sender = client.createSender(given.queue);
        for (const body of ['first', 'second']) {
            await sender.sendMessages({ body, messageId: 'of-javascript' });
        }
        const receiver = client.createReceiver(given.queue, { receiveMode: 'receiveAndDelete' });
        return (await receiver.receiveMessages(5, BRIEF)).map((message) => message.body);
    });

exports.forwards = (given) =>
    using(given, async (client) => {
        await client.createSender(given.queue).sendMessages({ body: 'passed on' });
        const receiver = client.createReceiver(given.to, { receiveMode: 'receiveAndDelete' });
        return (await receiver.receiveMessages(5, WAIT)).map((message) => message.body);
    });

// What settling is to change in the message's properties.
exports.modify = async (given) => {
    return using(given, async (client) => {
        const at = new Date(Date.UTC(2026, 0, 2, 3, 4, 5));
        const applicationProperties = { kind: 'x', since: at };
        const jobs = ['a', 'b', 'c'].map((body) => ({ body, applicationProperties }));
        await client.createSender(given.queue).sendMessages(jobs);
        const receiver = client.createReceiver(given.queue);
        const [a, b, c] = await receiver.receiveMessages(3, WAIT);
        await receiver.abandonMessage(a, { seen: true });
        await receiver.deferMessage(b, { seen: true });
        await receiver.deadLetterMessage(c, { deadLetterReason: 'bad', seen: true });
        const [abandoned] = await receiver.receiveMessages(1, WAIT);
        // What is received by number is settled through the management node.
        const byNumber = async () => {
            const [message] = await receiver.receiveDeferredMessages(b.sequenceNumber);
            return message;
        };
        const deferred = await byNumber();
        await receiver.abandonMessage(deferred, { seen: 2, rate: 0.5, none: null, at });
        const again = await byNumber();
        await receiver.deadLetterMessage(again, { deadLetterReason: 'bad', last: 'y' });
        const dead = client.createReceiver(given.queue, { subQueueType: 'deadLetter' });
        const [letter, fromDeferred] = await dead.receiveMessages(2, WAIT);
        const found = { abandoned, deferred, again, letter, fromDeferred };
        for (const name of Object.keys(found)) {
            found[name] = found[name].applicationProperties ?? {};
        }
        return found;
    });
};

exports.modifyTooMuch = async (given) => {
    return using(given, async (client) => {
        const log = 'x'.repeat(40000);
        const applicationProperties = { log };
        await client.createSender(given.queue).sendMessages({ body: 'a', applicationProperties });
        const receiver = client.createReceiver(given.queue);
        const [message] = await receiver.receiveMessages(1, WAIT);
        let code = null;
        try {
            await receiver.abandonMessage(message, { more: log });
        } catch (error) {
            code = error.code;
        }
        await receiver.close();
        const [again] = await client.createReceiver(given.queue).receiveMessages(1, WAIT);
        return { code, names: Object.keys(again.applicationProperties), count: again.deliveryCount };
    });
};

// Holds a message when the process ends: nothing is closed.
exports.leave = async (given) => {
    await sending(given, ['held']);
    const receiver = connect(given).createReceiver(given.queue);
    const [got] = await receiver.receiveMessages(1, WAIT);
    return got.body;
};

exports.topic = (given) =>
    using(given, async (client) => {
        const rules = client.createRuleManager(given.topic, 'ruled');
        await rules.createRule('sold', { subject: 'sold' });
        await rules.createRule(
            'dear',
            { sqlExpression: 'price > 100' },
            { sqlExpression: "SET vip = 'yes'" },
        );
        await rules.deleteRule('$Default');
        const names = [];
        for await (const rule of rules.listRules()) names.push(rule.name);
        const sender = client.createSender(given.topic);
        await sender.sendMessages([
            { body: 'a', subject: 'sold' },
            { body: 'b', applicationProperties: { price: 500 } },
            { body: 'c' },
        ]);
        const options = { receiveMode: 'receiveAndDelete' };
        const receiver = client.createReceiver(given.topic, 'ruled', options);
        const got = await receiver.receiveMessages(5, WAIT);
        return {
            names: names.sort(),
            got: got.map(({ body, applicationProperties }) => [body, applicationProperties ?? {}]),
        };
    });

// Over TLS, with a key that the broker checks, and with a wrong one.
exports.keys = async ({ port, queue, key }) => {
    const client = (secret) =>
        new ServiceBusClient(
            `Endpoint=sb://localhost:${port};SharedAccessKeyName=Root;SharedAccessKey=${secret}`,
            { retryOptions: { maxRetries: 0, timeoutInMs: 10000 } },
        );
    const right = client(key);
    await right.createSender(queue).sendMessages({ body: 'job' });
    const [got] = await right.createReceiver(queue).receiveMessages(1, WAIT);
    await right.close();
    const wrong = client(`${key}x`);
    let code = 'none';
    try {
        await wrong.createSender(queue).sendMessages({ body: 'job' });
    } catch (error) {
        code = error.code;
    }
    await wrong.close();
    return { got: got.body, wrong: code };
};
