"""Operations of edits on texts, the metered oracle that attacks query, and the verification of perturbations."""
