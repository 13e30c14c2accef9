"""The parts of ``gradline demo``, in the order in which it tells them: story.py holds that order."""
