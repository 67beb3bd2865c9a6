# Keys that the portal signs with
event-signing-key-taken-up = Signing key taken into use
event-signing-key-revoked = Signing key revoked
