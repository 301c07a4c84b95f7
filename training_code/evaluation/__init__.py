"""Evaluation: from weights and test scenes to tables, per-image figures and an HTML report.

protocol    the views, the virtual camera and the conditions
shots       photographs of the scenes: LDR files and their truth
methods     what is compared: doing nothing, classical operators, weights, folders, ceilings
scoring     metrics of every method on every shot
bootstrap   confidence intervals over families of scenes
summary     tables, wins and losses
text        results as Markdown, CSV and JSON; panels, report: results as an HTML page
flicker     how much small motions of the picture change a result
run         the whole evaluation, in order; regression: the shipped weights on the computed scenes
"""
