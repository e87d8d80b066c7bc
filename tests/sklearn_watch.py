"""The stand-in for a callback of scikit-learn."""


class Watch:
    """One of scikit-learn's callbacks: notes the tasks and what `look` returns, and asks for an end after the second.

    Parameters
    ----------
    look : callable
        (estimator, X, y) -> anything.
    """

    def __init__(self, look):
        self.look, self.ended, self.seen = look, [], []

    def setup(self, estimator, context):
        self.most = context.max_subtasks

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.ended.append(context.task_name)
        self.seen.append(self.look(fitted_estimator, X, y))
        return context.task_name != "fit" and context.task_id == 1
