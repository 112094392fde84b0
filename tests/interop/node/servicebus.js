// Azure's Service Bus SDK for JavaScript, unmodified: the everyday of its users.
'use strict';

const { ServiceBusClient } = require('@azure/service-bus');

const WAIT = { maxWaitTimeInMs: 3000 };
const BRIEF = { maxWaitTimeInMs: 700 };

function connect({ port }) {
    const text =
        `Endpoint=sb://localhost:${port};SharedAccessKeyName=RootManageSharedAccessKey;` +
        'SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;';
    return new ServiceBusClient(text, { retryOptions: { maxRetries: 0, timeoutInMs: 10000 } });
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
