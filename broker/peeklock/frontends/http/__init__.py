"""HTTP: the administration of Service Bus' clients, and who is well."""
