"""Files as other programs write them, and what becomes of each (`test_files`).

One module a family. Every file is made by code from the columns that a public page
gives; nothing of the page itself, and no row of a data set, is here.
"""
