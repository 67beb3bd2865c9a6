quota-limit-wrong = A limit needs a measure (tokens, requests or slots), a period that it has, and a number that is not below nothing.
quota-project-name = A project needs a name of at most 100 characters.
quota-projects-many = An institution has at most { $most } projects.
quota-beyond-institution = The institution has { $cap } tokens a day, and its other keys in use have been given { $given } of them. Only a platform administrator sets a limit that goes beyond that.
