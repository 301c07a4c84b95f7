"""Weights and test scenes become a table, figures per image and a report.

protocol    which views, which camera, which conditions
shots       scenes photographed: LDR files and their truth
methods     what is compared: doing nothing, classical operators, weights, folders, ceilings
scoring     metrics of every method on every shot
bootstrap   intervals over families of scenes
summary     tables, wins and losses
text        as Markdown, CSV and JSON; panels, report: as a page to look at
flicker     what small motions of the picture change in a result
run         all of it, in order; regression: the shipped weights on the computed scenes
"""
