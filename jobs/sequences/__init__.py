"""What e-mail sequences consist of: definitions, enrolment, steps, calls. No job.

A *sequence* is a list of *steps* for people whom its *trigger* enrols. An *enrolment* is one person
in one sequence; `current_step` is the `step_order` of the last step done, and the next step is the
one with the smallest greater order, whatever was added, removed or moved meanwhile.
"""
