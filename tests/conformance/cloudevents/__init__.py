"""CloudEvents' core, bindings and formats: 82 assertions, each a test that bears its number.

`core_01` is the first of the core specification; `http`, `amqp` and `mqtt` are the bindings,
`json`, `pb` and `av` the formats, `xc` what crosses from one to another without loss.
"""
