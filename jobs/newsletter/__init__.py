"""What newsletters share: the providers' APIs, what is known of each contact, their webhooks."""
