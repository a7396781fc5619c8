"""What the notebooks import beside the package that they teach.

`nb` is the style and the small helpers of all lessons; `checks` grades exercises; `figures` draws.
"""
