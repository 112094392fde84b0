// Azure's Service Bus SDK for JavaScript, unmodified: message sessions.
'use strict';

const { ServiceBusClient } = require('@azure/service-bus');

const WAIT = { maxWaitTimeInMs: 3000 };

async function using({ port }, work) {
    const text =
        `Endpoint=sb://localhost:${port};SharedAccessKeyName=RootManageSharedAccessKey;` +
        'SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;';
    const retryOptions = { maxRetries: 0, timeoutInMs: 10000 };
    const client = new ServiceBusClient(text, { retryOptions });
    try {
        return await work(client);
    } finally {
        await client.close();
    }
}

function send(client, { queue, session }, bodies) {
    return client
        .createSender(queue)
        .sendMessages(bodies.map((body) => ({ body, sessionId: session })));
}

exports.inOrder = (given) =>
    using(given, async (client) => {
        await send(client, given, ['1', '2', '3']);
        const receiver = await client.acceptSession(given.queue, given.session);
        const found = [];
        while (found.length < 3) {
            for (const message of await receiver.receiveMessages(3, WAIT)) {
                found.push(message.body);
                await receiver.completeMessage(message);
            }
        }
        const before = await receiver.getSessionState();
        await receiver.setSessionState('page 3');
        const until = await receiver.renewSessionLock();
        const state = (await receiver.getSessionState()).toString();
        await receiver.setSessionState(null);
        const locked = receiver.sessionLockedUntilUtc >= until && until > new Date();
        await receiver.close();
        return { id: receiver.sessionId, found, before: before ?? null, state, locked };
    });

exports.theNextOne = (given) =>
    using(given, async (client) => {
        setTimeout(() => send(client, given, ['late']), 300);
        const receiver = await client.acceptNextSession(given.queue, {
            maxAutoLockRenewalDurationInMs: 0,
        });
        const [message] = await receiver.receiveMessages(1, WAIT);
        await receiver.completeMessage(message);
        await receiver.close();
        return [receiver.sessionId, message.body, message.sessionId];
    });

exports.refusals = (given) =>
    using(given, async (client) => {
        const codes = [];
        const holder = await client.acceptSession(given.queue, given.session);
        for (const attempt of [
            () => client.acceptSession(given.queue, given.session),
            () => client.acceptNextSession(given.queue),
            () => client.createReceiver(given.queue).receiveMessages(1, WAIT),
            () => client.createSender(given.queue).sendMessages({ body: 'no session' }),
        ]) {
            try {
                await attempt();
                codes.push('none');
            } catch (error) {
                codes.push(error.code);
            }
        }
        await holder.close();
        return codes;
    });

exports.deferred = (given) =>
    using(given, async (client) => {
        await send(client, given, ['set aside']);
        const receiver = await client.acceptSession(given.queue, given.session);
        const [message] = await receiver.receiveMessages(1, WAIT);
        await receiver.deferMessage(message);
        const [peeked] = await receiver.peekMessages(5);
        const [again] = await receiver.receiveDeferredMessages(message.sequenceNumber);
        await receiver.completeMessage(again);
        const left = await receiver.peekMessages(5);
        await receiver.close();
        return { state: peeked.state, body: again.body, left: left.length };
    });

exports.lost = (given) =>
    using(given, async (client) => {
        await send(client, given, ['1']);
        const receiver = await client.acceptSession(given.queue, given.session, {
            maxAutoLockRenewalDurationInMs: 0,
        });
        const [message] = await receiver.receiveMessages(1, WAIT);
        await new Promise((done) => setTimeout(done, 2500));
        let code = 'none';
        try {
            await receiver.completeMessage(message);
        } catch (error) {
            code = error.code;
        }
        const next = await client.acceptSession(given.queue, given.session);
        const [again] = await next.receiveMessages(1, WAIT);
        await next.completeMessage(again);
        await next.close();
        return [code, again.deliveryCount];
    });

exports.subscription = (given) =>
    using(given, async (client) => {
        const { topic, session } = given;
        await client.createSender(topic).sendMessages({ body: '1', sessionId: session });
        const receiver = await client.acceptNextSession(topic, 'sessions');
        const [message] = await receiver.receiveMessages(1, WAIT);
        await receiver.completeMessage(message);
        await receiver.close();
        return [receiver.sessionId, message.body];
    });

exports.handler = (given) =>
    using(given, async (client) => {
        await send(client, given, ['1', '2', '3']);
        const receiver = await client.acceptSession(given.queue, given.session);
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
        const left = await receiver.peekMessages(5);
        await receiver.close();
        return { got, left: left.length };
    });
