// Azure's administration client for JavaScript, unmodified, over TLS: run with
// NODE_EXTRA_CA_CERTS, since the broker's certificate is its own.
'use strict';

const { ServiceBusAdministrationClient, ServiceBusClient } = require('@azure/service-bus');

function connect({ port, key = 'SAS_KEY_VALUE' }) {
    const text = `Endpoint=sb://localhost:${port};SharedAccessKeyName=Root;SharedAccessKey=${key};`;
    return new ServiceBusAdministrationClient(text, { retryOptions: { maxRetries: 0 } });
}

function busAt(port) {
    return new ServiceBusClient(
        `Endpoint=sb://localhost:${port};SharedAccessKeyName=Root;` +
            'SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;',
    );
}

async function all(iterator) {
    const found = [];
    for await (const one of iterator) found.push(one);
    return found;
}

async function refusal(work) {
    try {
        await work();
        return null;
    } catch (error) {
        return [error.code, error.message];
    }
}

exports.queues = async ({ queue, ...to }) => {
    const admin = connect(to);
    const made = await admin.createQueue(queue, {
        lockDuration: 'PT30S',
        maxDeliveryCount: 7,
        requiresDuplicateDetection: true,
        duplicateDetectionHistoryTimeWindow: 'PT5M',
        defaultMessageTimeToLive: 'PT2H',
        deadLetteringOnMessageExpiration: true,
        userMetadata: 'ours: <&>',
    });
    await admin.createQueue(`${queue}/to`);
    const changed = await admin.updateQueue({
        ...made,
        status: 'SendDisabled',
        forwardDeadLetteredMessagesTo: `${queue}/to`,
    });
    const got = await admin.getQueue(queue);
    const runtime = await admin.getQueueRuntimeProperties(queue);
    const there = await admin.queueExists(queue);
    const names = (await all(admin.listQueues())).map((one) => one.name);
    await admin.deleteQueue(queue);
    return {
        name: got.name,
        lock: got.lockDuration,
        count: got.maxDeliveryCount,
        duplicates: [got.requiresDuplicateDetection, got.duplicateDetectionHistoryTimeWindow],
        ttl: got.defaultMessageTimeToLive,
        dies: got.deadLetteringOnMessageExpiration,
        metadata: got.userMetadata,
        status: changed.status,
        forwards: got.forwardDeadLetteredMessagesTo,
        runtime: [runtime.activeMessageCount, runtime.totalMessageCount, runtime.sizeInBytes],
        age: Date.now() - runtime.createdAt.getTime() < 600_000,
        changed: [runtime.createdAt < runtime.modifiedAt, runtime.accessedAt <= new Date()],
        listed: names.filter((name) => name.startsWith(queue)),
        exists: [there, await admin.queueExists(queue)],
    };
};

exports.kept = async ({ queue, ...to }) => {
    const admin = connect(to);
    const authorizationRules = [
        {
            accessRights: ['Manage', 'Send', 'Listen'],
            claimType: 'SharedAccessKey',
            keyName: 'theirs',
            primaryKey: 'p'.repeat(43) + '=',
            secondaryKey: 's'.repeat(43) + '=',
        },
        {
            accessRights: ['Listen'],
            claimType: 'SharedAccessKey',
            keyName: 'ours',
            primaryKey: 'q'.repeat(43) + '=',
            secondaryKey: 'r'.repeat(43) + '=',
        },
    ];
    const given = {
        authorizationRules,
        enableBatchedOperations: false,
        enableExpress: true,
        enablePartitioning: true,
        userMetadata: 'ours',
    };
    const shown = (one) =>
        Object.fromEntries(Object.keys(given).map((name) => [name, one[name]]));
    await admin.createQueue(queue, given);
    await admin.createTopic(`${queue}-t`, given);
    await admin.updateQueue({ ...(await admin.getQueue(queue)), maxDeliveryCount: 3 });
    const found = [await admin.getQueue(queue), await admin.getTopic(`${queue}-t`)].map(shown);
    await admin.deleteQueue(queue);
    await admin.deleteTopic(`${queue}-t`);
    return { given, found };
};

exports.pages = async (to) => {
    const admin = connect(to);
    const names = Array.from({ length: 105 }, (_, number) => `js-page-${number}`);
    for (const name of names) await admin.createQueue(name);
    const sizes = [];
    const found = [];
    for await (const page of admin.listQueues().byPage({ maxPageSize: 50 })) {
        sizes.push(page.length);
        found.push(...page.map((one) => one.name));
    }
    for (const name of names) await admin.deleteQueue(name);
    return { full: sizes[0], missing: names.filter((name) => !found.includes(name)) };
};

exports.topics = async ({ queue, ...to }) => {
    const admin = connect(to);
    const topic = await admin.createTopic(queue, { defaultMessageTimeToLive: 'PT1H' });
    await admin.updateTopic({ ...topic, userMetadata: 'm' });
    const made = await admin.createSubscription(queue, 'Erp', {
        maxDeliveryCount: 3,
        defaultRuleOptions: { name: 'dear', filter: { sqlExpression: 'amount > 100' } },
    });
    await admin.updateSubscription({ ...made, lockDuration: 'PT10S' });
    const subscription = await admin.getSubscription(queue, 'Erp');
    const counts = await admin.getSubscriptionRuntimeProperties(queue, 'Erp');
    const runtime = await admin.getTopicRuntimeProperties(queue);
    const result = {
        topic: (await admin.getTopic(queue)).userMetadata,
        subscription: [
            subscription.topicName,
            subscription.subscriptionName,
            subscription.maxDeliveryCount,
            subscription.lockDuration,
        ],
        counts: [counts.activeMessageCount, counts.totalMessageCount],
        subscriptions: [runtime.subscriptionCount, runtime.scheduledMessageCount],
        listed: (await all(admin.listSubscriptions(queue))).map((one) => one.subscriptionName),
        topics: (await all(admin.listTopics())).map((one) => one.name),
        rules: (await all(admin.listRules(queue, 'Erp'))).map((one) => one.name),
    };
    await admin.deleteSubscription(queue, 'Erp');
    await admin.deleteTopic(queue);
    return result;
};

exports.rules = async ({ queue, ...to }) => {
    const admin = connect(to);
    await admin.createTopic(queue);
    await admin.createSubscription(queue, 's');
    const correlation = {
        correlationId: 'c',
        subject: 'l',
        to: 't',
        replyTo: 'r',
        replyToSessionId: 'rs',
        sessionId: 's',
        messageId: 'm',
        contentType: 'ct',
        applicationProperties: {
            text: 'ä<',
            real: 0.5,
            whole: 4,
            yes: true,
            at: new Date('2026-01-01T12:00:00.5Z'),
        },
    };
    await admin.createRule(queue, 's', 'alike', correlation);
    const action = { sqlExpression: 'SET seen = 1' };
    await admin.createRule(queue, 's', 'sql', { sqlExpression: 'a = 1' }, action);
    const rule = await admin.getRule(queue, 's', 'sql');
    rule.filter.sqlExpression = 'a = 2';
    await admin.updateRule(queue, 's', rule);
    const { filter, action: kept } = await admin.getRule(queue, 's', 'sql');
    const [first] = await all(admin.listRules(queue, 's'));
    await admin.deleteRule(queue, 's', '$Default');
    const result = {
        same: (await admin.getRule(queue, 's', 'alike')).filter,
        sql: [filter.sqlExpression, kept.sqlExpression],
        first: [first.name, first.filter.sqlExpression],
        left: (await all(admin.listRules(queue, 's'))).map((one) => one.name),
    };
    await admin.deleteTopic(queue);
    return { ...result, given: correlation };
};

// Which of messages with these properties the subscription takes, by their places.
async function received(amqp, topic, given) {
    const bus = busAt(amqp);
    const sender = bus.createSender(topic);
    for (const [place, applicationProperties] of given.entries()) {
        await sender.sendMessages({ body: place, applicationProperties });
    }
    const receiver = bus.createReceiver(topic, 's', { receiveMode: 'receiveAndDelete' });
    const found = [];
    for (;;) {
        const more = await receiver.receiveMessages(given.length, { maxWaitTimeInMs: 1500 });
        if (!more.length) break;
        found.push(...more.map((one) => one.body));
    }
    await bus.close();
    return found;
}

exports.instants = async ({ queue, amqp, ...to }) => {
    const admin = connect(to);
    const at = new Date('2026-01-01T12:00:00.5Z');
    await admin.createTopic(queue);
    await admin.createSubscription(queue, 's', {
        defaultRuleOptions: { name: 'then', filter: { applicationProperties: { at } } },
    });
    const later = new Date(at.getTime() + 1);
    const found = await received(amqp, queue, [{ at }, { at: later }, { at: at.toJSON() }]);
    await admin.deleteTopic(queue);
    return found;
};

exports.parameters = async ({ queue, amqp, ...to }) => {
    const admin = connect(to);
    const since = new Date('2026-01-01T12:00:00.5Z');
    const filter = {
        sqlExpression: 'amount > @least AND at >= @since AND site = @site AND vip = @vip',
        sqlParameters: { '@least': 100, '@since': since, '@site': 'nörth', '@vip': true },
    };
    const action = { sqlExpression: 'SET amount = @one', sqlParameters: { '@one': 1 } };
    await admin.createTopic(queue);
    await admin.createSubscription(queue, 's');
    await admin.createRule(queue, 's', 'sql', filter, action);
    await admin.deleteRule(queue, 's', '$Default');
    const kept = await admin.getRule(queue, 's', 'sql');
    await admin.updateRule(queue, 's', kept);
    const [listed] = await all(admin.listRules(queue, 's'));
    const good = { amount: 101, at: since, site: 'nörth', vip: true };
    const sent = [{ ...good, amount: 100 }, good, { ...good, vip: false }];
    const found = await received(amqp, queue, sent);
    const unbound = { sqlExpression: 'a = @x', sqlParameters: { '@y': 1 } };
    const refused = await refusal(() => admin.createRule(queue, 's', 'bad', unbound));
    await admin.deleteTopic(queue);
    return {
        given: [filter, action],
        kept: [kept.filter, kept.action],
        listed: [listed.filter, listed.action],
        found,
        refused,
    };
};

exports.refusals = async ({ queue, ...to }) => {
    const admin = connect(to);
    await admin.createQueue(queue);
    const found = {
        exists: await refusal(() => admin.createQueue(queue)),
        missing: await refusal(() => admin.getQueue(`${queue}-not`)),
        bad: await refusal(() => admin.createQueue(`${queue}-bad`, { lockDuration: 'PT0S' })),
        gone: await refusal(() => admin.deleteQueue(`${queue}-not`)),
    };
    await admin.deleteQueue(queue);
    return found;
};

exports.namespace = async (to) => {
    const { name, messagingSku } = await connect(to).getNamespaceProperties();
    return { name, messagingSku };
};

exports.signed = async ({ queue, key, ...to }) => {
    const admin = connect({ key, ...to });
    const made = (await admin.createQueue(queue)).name;
    const listed = (await all(admin.listQueues())).length;
    const wrong = await refusal(() => connect({ key: `${key}x`, ...to }).getQueue(queue));
    return { made, listed, wrong: wrong && wrong[0] };
};
