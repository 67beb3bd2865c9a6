quota-limit-wrong = Een grens heeft een maat nodig (tokens, requests of slots), een periode die daarbij hoort, en een getal dat niet onder nul ligt.
quota-project-name = Een project heeft een naam nodig van hoogstens 100 tekens.
quota-projects-many = Een instelling heeft hoogstens { $most } projecten.
quota-beyond-institution = De instelling heeft { $cap } tokens per dag, en haar andere sleutels in gebruik kregen daarvan { $given }. Alleen een beheerder van het platform stelt een limiet vast die daarboven gaat.
