quota-limit-wrong = Een grens heeft een maat nodig (tokens, requests of slots), een periode die daarbij hoort, en een getal dat niet onder nul ligt.
quota-project-name = Een project heeft een naam nodig van hoogstens 100 tekens.
