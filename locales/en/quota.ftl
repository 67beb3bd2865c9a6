quota-limit-wrong = A limit needs a measure (tokens, requests or slots), a period that it has, and a number that is not below nothing.
quota-project-name = A project needs a name of at most 100 characters.
