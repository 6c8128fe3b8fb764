"""Rows 10, 11 and 16: the worker's own code, reached through frames, garbage collector and modules, made to answer
yes; what it can say is a value, and values are judged elsewhere.

Base: wrong
Earns: nothing
"""
# ruff: noqa

found = [thing for thing in load("gc").get_objects() if type(thing).__name__ in ("Host", "Submission")]
inside = {name: module for name, module in os.sys.modules.items() if name.startswith("inside")}


def answer(self, request, arrays):
    return {"value": True, "passed": True, "status": "passed", "points": 40}, []


for thing in found:
    if type(thing).__name__ == "Host":
        type(thing).answer = answer
        thing.answer = lambda request, arrays: answer(thing, request, arrays)
        thing._operations = {}
for module in inside.values():
    for name in ("encode", "plain_array", "describe"):
        if hasattr(module, name):
            setattr(module, name, lambda *_, **__: {"passed": True})
