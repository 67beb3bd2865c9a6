# Sleutels waarmee het portaal ondertekent
event-signing-key-taken-up = Ondertekensleutel in gebruik genomen
event-signing-key-revoked = Ondertekensleutel ingetrokken
