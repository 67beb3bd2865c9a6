-- Between what was measured on a base and what the settings assume: how fast other jobs were at the place.
ALTER TABLE job_estimates
    DROP CONSTRAINT job_estimates_basis_check,
    ADD CONSTRAINT job_estimates_basis_check CHECK (basis IN ('measured', 'place', 'default'));
